import { always, type Case, type Scene, visitorsAt } from '#test/bench/cases/case.ts';
import { codes, signedInPeople, tokensOfPeople } from '#test/bench/cases/people.ts';
import {
  type Asked,
  authorizationParameters,
  authorizationPath,
  codeIn,
  get,
  hasAccessToken,
  post,
  redemption,
  renewing,
  repeating,
  tokenRequest,
  tokensIn,
} from '#test/bench/cases/requests.ts';
import { type Visitor, WrongAnswer } from '#test/bench/load/drive.ts';
import { identifierOf } from '#test/bench/servers/served.ts';

const ASKED: Asked = { api: 'es256', openid: true };

/** How many codes are made ready for a stretch. The bare library keeps no more than a thousand things. */
const CODES = 192;

/** Codes for tokens. */
const redeeming: Scene = async (stage) => {
  const { served } = stage;
  const people = await signedInPeople(stage, ASKED);
  return async () => {
    const unused = await codes(stage, people, CODES);
    const next = () => {
      const code = unused.pop();
      return code === undefined ? null : redemption(served, served.web, code);
    };
    return visitorsAt(stage, () => renewing(next, hasAccessToken));
  };
};

/** The code flow of people who are signed in already: RFC 6749 section 4.1. */
const withASession: Scene = async (stage) => {
  const { served } = stage;
  const people = await signedInPeople(stage, ASKED);
  return always(
    visitorsAt(stage, (index): Visitor => {
      let code: string | null = null;
      return {
        next: () => (code === null ? (people[index]?.request ?? null) : redemption(served, served.web, code)),
        read: (answer) => {
          if (code === null) {
            code = codeIn(answer);
            return false;
          }
          tokensIn(answer);
          code = null;
          return true;
        },
      };
    }),
  );
};

/** The same with a pushed authorization request before it: RFC 9126. */
const pushed: Scene = async (stage) => {
  const { served } = stage;
  const { web, endpoints } = served;
  const people = await signedInPeople(stage, ASKED);
  const parameters = authorizationParameters(served, ASKED);
  const push = post(served, endpoints.pushedAuthorizationRequest, web, parameters);
  return always(
    visitorsAt(stage, (index): Visitor => {
      const cookie = people[index]?.cookie ?? '';
      let step: 'push' | 'authorize' | 'redeem' = 'push';
      let request = push;
      return {
        next: () => request,
        read: (answer) => {
          switch (step) {
            case 'push': {
              if (answer.status !== 201) throw new WrongAnswer('a request_uri', answer);
              const { request_uri } = JSON.parse(answer.body) as { request_uri: string };
              const path = authorizationPath(served, { client_id: web.id, request_uri });
              request = get(served, path, { Cookie: cookie, Accept: 'text/html' });
              step = 'authorize';
              return false;
            }
            case 'authorize':
              request = redemption(served, web, codeIn(answer));
              step = 'redeem';
              return false;
            case 'redeem':
              tokensIn(answer);
              request = push;
              step = 'push';
              return true;
          }
        },
      };
    }),
  );
};

/** How many tokens are exchanged in turn. */
const EXCHANGED = 64;

/** An API exchanges the token that it was called with: RFC 8693. */
const exchanging: Scene = async (stage) => {
  const { served } = stage;
  const { exchanger } = served;
  if (exchanger === null) throw new Error('nobody exchanges tokens here');
  const tokens = await tokensOfPeople(stage, { api: 'es256', openid: false }, EXCHANGED);
  const requests = tokens.map(({ access_token }) =>
    tokenRequest(served, exchanger, {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      resource: identifierOf('es256'),
    }),
  );
  return always(visitorsAt(stage, (index) => repeating(requests, hasAccessToken, index)));
};

export const SIGN_INS: readonly Case[] = [
  {
    name: 'code-redemption',
    about: 'an authorization code for a JWT, an ID token and a refresh token',
    target: null,
    keyturn: redeeming,
    bare: redeeming,
  },
  {
    name: 'sign-in-session',
    about: 'the code flow of somebody who is signed in, both requests',
    target: null,
    keyturn: withASession,
    bare: withASession,
  },
  {
    name: 'par-and-code',
    about: 'the same with a pushed authorization request, all three requests',
    target: null,
    keyturn: pushed,
    bare: pushed,
  },
  {
    name: 'token-exchange',
    about: 'a token of a person for one that tells who acts; the bare library has no such grant',
    target: null,
    keyturn: exchanging,
    bare: null,
  },
];
