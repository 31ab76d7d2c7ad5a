import { setTimeout as pause } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { moment } from '#src/cli/layout.ts';
import type { TokenResponse } from '#src/cli/parties/relying-party.ts';
import type { Company } from '#src/cli/tour/company.ts';
import { TourProblem } from '#src/cli/tour/narrator.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyRotation } from '#src/signing/rotation.ts';

/** How often to ask for a token while the server takes up a key, and how much longer than its own pace it may take. */
const ASK_EVERY_MS = 150;
const PATIENCE_MS = 10_000;

/** The key that signs is changed, and nobody notices. Answers with the newest tokens. */
export async function rotate(
  { narrator, app, api }: Company,
  before: TokenResponse,
  rotation: KeyRotation,
  signal: AbortSignal,
): Promise<TokenResponse> {
  const why =
    'A key is in the JWK Set before it signs, for as long as anyone may cache that, and stays until the last token that\n' +
    'it signed has expired. The server rotates by itself every so often; this is keyturn keys rotate.';
  const after = await narrator.step('Rotate the signing key', why, async (show) => {
    const { alg, kid } = decodeProtectedHeader(before.access_token);
    const [turn] = await rotation.rotate({ alg: alg as SigningAlgorithm });
    if (turn === undefined) throw new TourProblem(`there is no key for ${alg}`);
    show.received(`keys rotate --alg ${alg}`, {
      outcome: turn.outcome,
      'signed until now': kid,
      next: turn.kid,
    });
    show.check((await app.publishedKeys()).includes(turn.kid), 'the next key is in the JWK Set already');
    if (turn.outcome === 'scheduled') {
      show.say(
        `Keys were rotated only lately: the next one signs from ${moment(turn.signsFrom)}, when every cache has it.`,
      );
      return app.refresh(before.refresh_token);
    }
    const tokens = await refreshUntilSignedBy(turn.kid);
    show.check(true, 'new tokens are signed by the next key, without a restart');
    return tokens;
  });

  await narrator.step(
    'The API verifies tokens from before and after',
    'With the keys that it already holds: nothing is fetched, and no request fails.',
    async (show) => {
      for (const [name, { access_token }] of [
        ['before', before],
        ['after', after],
      ] as const) {
        const { protectedHeader } = await api.verify(access_token);
        show.check(true, `the token from ${name} the rotation holds, by the key ${protectedHeader.kid}`);
      }
    },
  );
  return after;

  async function refreshUntilSignedBy(kid: string): Promise<TokenResponse> {
    const deadline = performance.now() + rotation.policy.ringPoll * 1000 + PATIENCE_MS;
    for (let tokens = before; performance.now() < deadline; ) {
      tokens = await app.refresh(tokens.refresh_token);
      if (decodeProtectedHeader(tokens.access_token).kid === kid) return tokens;
      await pause(ASK_EVERY_MS, undefined, { signal });
    }
    throw new TourProblem(`the server goes on signing with its old key; does it run on another store?`);
  }
}
