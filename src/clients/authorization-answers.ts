import type { ClientMetadata } from '#src/clients/client-metadata.ts';
import { type OtherResponseType, responseTypeProblemsIn } from '#src/clients/response-type.ts';

/** How this server answers authorization requests, by its settings. */
export interface AuthorizationAnswers {
  readonly responseTypes: readonly string[];
  /** How an answer travels: OAuth 2.0 Multiple Response Types section 2.1, and JARM section 2.3. */
  readonly responseModes: readonly string[];
  /** How people sign in: OpenID Connect Core section 2. */
  readonly acrValues: readonly string[];
}

const RESPONSE_MODES = ['query', 'fragment', 'form_post'];

export function authorizationAnswersOf(settings: {
  readonly otherResponseTypes: readonly OtherResponseType[];
  readonly webMessage: boolean;
  readonly passwordAcr: string;
}): AuthorizationAnswers {
  const modes = [...RESPONSE_MODES, ...(settings.webMessage ? ['web_message'] : [])];
  return {
    responseTypes: ['code', ...settings.otherResponseTypes],
    responseModes: [...modes, 'jwt', ...modes.map((mode) => `${mode}.jwt`)],
    acrValues: [settings.passwordAcr],
  };
}

/** In what a client asks for answers that this server does not give, each with the path of its field. */
export function* answerProblemsIn(
  client: Parameters<typeof responseTypeProblemsIn>[0] & { readonly metadata: ClientMetadata },
  answers: AuthorizationAnswers,
): Generator<string> {
  yield* responseTypeProblemsIn(client, answers.responseTypes);
  const { response_modes: modes, default_acr_values: acrs } = client.metadata;
  if (
    modes !== undefined &&
    (modes.length === 0 || modes.some((mode) => !answers.responseModes.includes(mode)))
  )
    yield `metadata.response_modes: at least one, of ${answers.responseModes.join(', ')}`;
  if (acrs?.some((acr) => !answers.acrValues.includes(acr)))
    yield `metadata.default_acr_values: this server has ${answers.acrValues.join(', ')}`;
}
