import { always, type Case, type Scene, visitorsAt } from '#test/bench/cases/case.ts';
import { tokensOfPeople } from '#test/bench/cases/people.ts';
import { get, hasStatus, isActive, post, repeating } from '#test/bench/cases/requests.ts';
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
