import { z } from 'zod';
import type { Secret } from '#src/secret.ts';

/** How a confidential client, or a resource server, proves who it is. */
export interface Credentials {
  readonly clientId: string;
  readonly secret: Secret;
}

/** The server did not do what the RFC, or the situation, lets one expect. */
export class UnexpectedAnswer extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnexpectedAnswer';
  }
}

export interface Answer {
  readonly status: number;
  /** The members of the JSON document; none where the answer has no body. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Posts a form, authenticated by `client_secret_basic`: RFC 6749 section 2.3.1. */
export async function postForm(
  url: string,
  form: Readonly<Record<string, string>>,
  { credentials, signal }: { credentials: Credentials; signal: AbortSignal },
): Promise<Answer> {
  const { clientId, secret } = credentials;
  const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(secret.reveal())}`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Basic ${Buffer.from(pair).toString('base64')}`, Accept: 'application/json' },
    body: new URLSearchParams(form),
    signal,
  });
  return answerOf(response);
}

export async function getJson(
  url: string,
  { accessToken, signal }: { accessToken?: string; signal: AbortSignal },
): Promise<Answer> {
  const headers = {
    Accept: 'application/json',
    ...(accessToken && { Authorization: `Bearer ${accessToken}` }),
  };
  return answerOf(await fetch(url, { headers, signal }));
}

/** The document, if it is what the RFC says. `what` names it. */
export function parsed<T>(schema: z.ZodType<T>, document: unknown, what: string): T {
  const result = schema.safeParse(document);
  if (result.success) return result.data;
  throw new UnexpectedAnswer(`${what} is not what it should be: ${z.prettifyError(result.error)}`);
}

async function answerOf(response: Response): Promise<Answer> {
  const { status, url } = response;
  const text = await response.text();
  try {
    return { status, body: text === '' ? {} : JSON.parse(text) };
  } catch {
    throw new UnexpectedAnswer(`${new URL(url).pathname} answered ${status} with something that is not JSON`);
  }
}
