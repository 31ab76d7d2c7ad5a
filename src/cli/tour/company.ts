import type { Cast } from '#src/cli/parties/cast.ts';
import type { RelyingParty } from '#src/cli/parties/relying-party.ts';
import type { Api } from '#src/cli/tour/api.ts';
import type { Narrator } from '#src/cli/tour/narrator.ts';

/** Who walks the tour together, once the server has introduced itself. */
export interface Company {
  readonly narrator: Narrator;
  readonly cast: Cast;
  readonly app: RelyingParty;
  readonly api: Api;
}
