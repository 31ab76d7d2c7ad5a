import { facts } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import type { Secret } from '#src/secret.ts';

/** Whose secret is being rolled: an application's, or a resource server's. */
export interface SecretHolder {
  /** What it is, as in "the client". */
  readonly what: string;
  readonly name: string;
  readonly clientId: string;
  readonly document: object;
}

/** A secret that was just made, which is shown this once. */
export function rolledSecret({ what, name, clientId, document }: SecretHolder, secret: Secret): Report {
  return {
    document: { ...document, ...secretDocument(secret) },
    text: (style) =>
      [
        `${style('good', 'Made')} a new secret for ${what} ${style('strong', name)}.`,
        '',
        facts({ client_id: clientId, client_secret: secret.reveal() }, style),
        '',
        style(
          'notable',
          'It is shown this once. The secret before it stays valid: end it with --retire-old when',
        ),
        style('notable', 'the new one is in use everywhere.'),
      ].join('\n'),
  };
}

/** The end of a roll. */
export function retiredSecret({ name, document }: Pick<SecretHolder, 'name' | 'document'>): Report {
  return {
    document,
    text: (style) =>
      `${style('good', 'Done.')} Only the newest secret of ${style('strong', name)} is valid now.`,
  };
}

/** A secret, where there is one, in the words of RFC 7591 section 3.2.1; zero says that it does not expire. */
export function secretDocument(secret: Secret | null): object {
  return secret === null ? {} : { client_secret: secret.reveal(), client_secret_expires_at: 0 };
}
