import { inDocumentWords } from '#src/clients/client-document.ts';
import { Refusal } from '#src/fault.ts';
import { type Bounds, type Described, withinBounds } from '#src/registration/bounds.ts';

/** A description within bounds. @throws Refusal `invalid_client_metadata` */
export function fitted(input: Described, bounds: Bounds): Described {
  const { described, problems } = withinBounds(input, bounds);
  if (problems.length > 0) throw new Refusal('invalid_client_metadata', problems.join('; '), { problems });
  return described;
}

/** Says what is wrong by the names of the document, and by the code that RFC 7591 section 3.2.2 has for it. */
export function inWordsOfTheRfc<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'invalid_client_metadata') throw error;
    const { problems = [error.message] } = error.detail as { problems?: readonly string[] };
    const told = problems.map(inDocumentWords);
    const code = told.some((problem) => problem.startsWith('redirect_uris'))
      ? 'invalid_redirect_uri'
      : 'invalid_client_metadata';
    throw new Refusal(code, told.join('; ').replaceAll(NOT_IN_A_DESCRIPTION, "'"), { problems: told });
  }
}

/** What RFC 6749 section 5.2 keeps out of `error_description`. */
const NOT_IN_A_DESCRIPTION = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;
