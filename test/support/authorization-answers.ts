import { authorizationAnswersOf } from '#src/clients/authorization-answers.ts';

/** How a server answers authorization requests by the defaults of its settings. */
export const ANSWERS = authorizationAnswersOf({
  otherResponseTypes: [],
  webMessage: false,
  passwordAcr: 'urn:keyturn:acr:password',
});
