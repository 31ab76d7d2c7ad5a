import { always, type Case, type Scene, visitorsAt } from '#test/bench/cases/case.ts';
import { tokensOfPeople } from '#test/bench/cases/people.ts';
import { type Asked, hasAccessToken, refreshing, repeating, tokensIn } from '#test/bench/cases/requests.ts';
import type { Visitor } from '#test/bench/load/drive.ts';

/** Everybody refreshes with the token that they were given last: RFC 6749 section 6, RFC 9700 section 4.14.2. */
const rotating =
  (asked: Asked): Scene =>
  async (stage) => {
    const { served, connections } = stage;
    const web = served.rotating ?? served.web;
    const tokens = await tokensOfPeople(stage, asked, connections, web);
    return always(
      visitorsAt(stage, (index): Visitor => {
        let token = tokens[index]?.refresh_token ?? '';
        return {
          next: () => refreshing(served, web, token),
          read: (answer) => {
            const given = tokensIn(answer).refresh_token;
            if (given === undefined || given === token) throw new Error('the refresh token was not rotated');
            token = given;
            return true;
          },
        };
      }),
    );
  };

/** Everybody refreshes with one token, which stays as it is. */
const keeping =
  (asked: Asked): Scene =>
  async (stage) => {
    const { served, connections } = stage;
    const tokens = await tokensOfPeople(stage, asked, connections);
    return always(
      visitorsAt(stage, (index) => {
        const request = refreshing(served, served.web, tokens[index]?.refresh_token ?? '');
        return repeating([request], hasAccessToken);
      }),
    );
  };

const OF_AN_API: Asked = { api: 'es256', openid: false };
const WITH_AN_ID_TOKEN: Asked = { api: 'es256', openid: true };

export const REFRESHING: readonly Case[] = [
  {
    name: 'refresh-rotation',
    about: 'a refresh token for the next one and a JWT; at the bare library without rotation',
    target: 0.8,
    keyturn: rotating(OF_AN_API),
    bare: keeping(OF_AN_API),
  },
  {
    name: 'refresh-rotation-both',
    about: 'the same, the bare library rotating as well',
    target: null,
    keyturn: rotating(OF_AN_API),
    bare: rotating(OF_AN_API),
  },
  {
    name: 'refresh-rotation-openid',
    about: 'the same with an ID token, at the bare library without rotation',
    target: null,
    keyturn: rotating(WITH_AN_ID_TOKEN),
    bare: keeping(WITH_AN_ID_TOKEN),
  },
];
