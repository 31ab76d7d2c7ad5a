import { jwtVerify } from 'jose';
import type { Participant } from '#src/cli/drill/apis.ts';
import { Chance } from '#src/cli/drill/chance.ts';
import { Application, type Client, Service } from '#src/cli/drill/clients.ts';
import type { Ledger } from '#src/cli/drill/ledger.ts';
import { JoseKeys, type Opinion } from '#src/cli/drill/resource-servers.ts';
import { REFRESHES_FOR } from '#src/cli/drill/settings.ts';
import type { Timetable } from '#src/cli/drill/timetable.ts';
import type { HeldToken, HeldTokens } from '#src/cli/drill/tokens.ts';
import type { Cast } from '#src/cli/parties/cast.ts';
import type { ServerMetadata } from '#src/cli/parties/relying-party.ts';
import { type Credentials, UnexpectedAnswer } from '#src/cli/parties/requests.ts';
import type { Random } from '#src/random.ts';
import { after, type EpochSeconds, hours, minutes, seconds } from '#src/units.ts';

/** What all of the traffic has in common. */
export interface Traffic {
  readonly timetable: Timetable;
  readonly tokens: HeldTokens;
  readonly ledger: Ledger;
  readonly seed: number;
}

/** What the clients asked for, and what they were refused. */
export interface ClientCounts {
  readonly signIns: number;
  readonly refreshes: number;
  readonly clientCredentials: number;
  readonly refused: readonly RefusedRequest[];
}

export interface RefusedRequest {
  readonly at: EpochSeconds;
  readonly client: string;
  readonly why: string;
}

/** How many applications somebody is signed in to. */
const APPLICATIONS = 2;

/** Has clients get tokens from now on. Answers with what they will have done by the time when that is asked. */
export function beginAsking(
  { timetable, tokens, seed }: Traffic,
  parts: {
    readonly server: ServerMetadata;
    readonly cast: Cast;
    readonly service: Credentials;
    readonly idTokenAlgorithm: string;
    readonly random: Random;
    readonly signal: AbortSignal;
  },
): () => ClientCounts {
  const { server, cast, service, idTokenAlgorithm } = parts;
  const refused: RefusedRequest[] = [];
  const keys = new JoseKeys(new URL(server.jwks_uri));
  // ID tokens say the time of the machine, which the library that issues them goes by, and are good by that.
  const isGoodIdToken = async (token: string) =>
    jwtVerify(token, await keys.at(timetable.now), {
      issuer: server.issuer,
      audience: cast.client.clientId,
      algorithms: [idTokenAlgorithm],
    }).then(
      () => true,
      () => false,
    );
  const begin = (name: string, client: Client, [least, most]: readonly [number, number]) => {
    const chance = new Chance(seed, name);
    const ask = async () => {
      try {
        tokens.add(await client.token(timetable.now));
      } catch (problem) {
        if (!(problem instanceof UnexpectedAnswer)) throw problem;
        refused.push({ at: timetable.now, client: name, why: problem.message });
      }
    };
    timetable.at(timetable.now, ask);
    timetable.every(() => seconds(chance.between(least, most)), ask);
  };
  const applications = Array.from(
    { length: APPLICATIONS },
    () => new Application({ ...parts, isGoodIdToken, refreshesFor: REFRESHES_FOR }),
  );
  for (const [index, each] of applications.entries()) begin(`application ${index + 1}`, each, [180, 420]);
  const worker = new Service({ server, credentials: service, resource: cast.api.identifier });
  begin('service', worker, [30, 90]);
  timetable.every(
    () => minutes(5),
    async () => tokens.forget((timetable.now - hours(1)) as EpochSeconds),
  );
  return () => ({
    signIns: applications.reduce((sum, { signIns }) => sum + signIns, 0),
    refreshes: applications.reduce((sum, { refreshes }) => sum + refreshes, 0),
    clientCredentials: worker.requests,
    refused,
  });
}

/** Has resource servers be shown tokens from now on. */
export function beginShowing(traffic: Traffic, participants: readonly Participant[]): void {
  const { timetable, tokens, ledger, seed } = traffic;
  for (const { manner, server } of participants) {
    const chance = new Chance(seed, manner.who);
    const ask = (token: HeldToken, at: EpochSeconds) =>
      server.check(token.text, after(at, manner.slowest)).catch(fault);
    timetable.every(
      () => seconds(chance.between(40, 140)),
      async () => {
        const { now: at } = timetable;
        const clocks = { slowest: after(at, manner.slowest), fastest: after(at, manner.fastest) };
        const dead = tokens.lastOf(ledger.lastRevoked);
        const shown = tokens.sample(clocks, chance);
        if (dead !== null && dead.expiresAt > clocks.fastest) shown.push(dead);
        // One by itself, for which the keys may have to be fetched, and then the others together.
        const opinions = await Promise.all(shown.slice(0, 1).map((token) => ask(token, at)));
        opinions.push(...(await Promise.all(shown.slice(1).map((token) => ask(token, at)))));
        for (const [index, token] of shown.entries()) {
          const opinion = opinions[index] as Opinion;
          ledger.answered({ ...opinion, who: manner.who, at, token }, manner);
        }
      },
    );
  }
}

/** Whoever cannot find out about a token does not accept it. */
const fault = (problem: Error): Opinion => ({ accepted: false, why: problem.message });
