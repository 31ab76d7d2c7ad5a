import { always, type Case, type Scene, visitorsAt } from '#test/bench/cases/case.ts';
import { gathered, tokensOfPeople } from '#test/bench/cases/people.ts';
import {
  get,
  hasStatus,
  isActive,
  post,
  renewing,
  repeating,
  serviceTokenRequest,
  tokensIn,
} from '#test/bench/cases/requests.ts';
import type { ApiName } from '#test/bench/servers/served.ts';

/** How many tokens an API asks about in turn. The bare library keeps no more than a thousand things. */
const TOKENS = 128;

/** An API asks about tokens of people: RFC 7662. */
const introspectionOf =
  (api: ApiName): Scene =>
  async (stage) => {
    const { served } = stage;
    const tokens = await tokensOfPeople(stage, { api, openid: false }, TOKENS);
    const requests = tokens.map(({ access_token: token }) =>
      post(served, served.endpoints.introspection, served.apis[api], { token }),
    );
    return always(visitorsAt(stage, (index) => repeating(requests, isActive, index)));
  };

/** How many tokens are issued before a stretch, each to be asked about once. */
const NEW_TOKENS = 256;

/** An API asks about tokens of a service that it sees for the first time. */
const ofNewTokens: Scene = async (stage) => {
  const { served } = stage;
  const issue = serviceTokenRequest(served, 'es256');
  return async () => {
    const tokens = await gathered(stage, NEW_TOKENS, () => issue, tokensIn);
    const next = () => {
      const token = tokens.pop()?.access_token;
      return token === undefined
        ? null
        : post(served, served.endpoints.introspection, served.apis.es256, { token });
    };
    return visitorsAt(stage, () => renewing(next, isActive));
  };
};

/** A client asks who signed in. */
const userinfo: Scene = async (stage) => {
  const { served } = stage;
  const tokens = await tokensOfPeople(stage, { api: null, openid: true }, TOKENS);
  const requests = tokens.map(({ access_token: token }) =>
    get(served, served.endpoints.userinfo, { Authorization: `Bearer ${token}` }),
  );
  return always(visitorsAt(stage, (index) => repeating(requests, hasStatus(200, '"sub"'), index)));
};

export const INTROSPECTION: readonly Case[] = [
  {
    name: 'introspection-jwt',
    about: 'an API asks about JWTs of people; the bare library, which takes none, about opaque tokens',
    target: 1.2,
    keyturn: introspectionOf('es256'),
    bare: introspectionOf('opaque'),
  },
  {
    name: 'introspection-jwt-unseen',
    about: 'an API asks about JWTs of a service, about each once; the bare library as above',
    target: null,
    keyturn: ofNewTokens,
    bare: introspectionOf('opaque'),
  },
  {
    name: 'introspection-opaque',
    about: 'an API asks about opaque tokens of people',
    target: null,
    keyturn: introspectionOf('opaque'),
    bare: introspectionOf('opaque'),
  },
  {
    name: 'userinfo',
    about: 'a client asks who signed in, with a JWT; at the bare library with an opaque token',
    target: null,
    keyturn: userinfo,
    bare: userinfo,
  },
];
