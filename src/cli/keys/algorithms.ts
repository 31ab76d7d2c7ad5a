import { aliveNow, tokenWords } from '#src/cli/keys/alive.ts';
import { relianceDocument, relianceLines } from '#src/cli/keys/touched.ts';
import { distance } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import { Registrations, type Reliance } from '#src/key-usage/reliance.ts';
import type { Services } from '#src/services.ts';
import { REFRESH_ALGORITHM } from '#src/signing/algorithm.ts';
import { leavingAlgorithms } from '#src/signing/leaving.ts';
import type { EpochSeconds } from '#src/units.ts';

/** `on`: the settings name it. `leaving`: a key signs for those registered for it. `ended`: nothing signs with it. */
type Standing = 'on' | 'leaving' | 'ended';

/** `keyturn keys algorithms`: what is signed with, and who asks for which. */
export async function listAlgorithms(services: Services, now: EpochSeconds): Promise<Report> {
  const { rotation, config } = services;
  const keys = await rotation.list();
  const registrations = await Registrations.read(services);
  const { tokens } = await aliveNow(services, now, 0);
  const leaving = leavingAlgorithms(rotation.held.ring, rotation.policy, now);
  const names = new Set([...config.keys.algorithms, ...keys.map(({ alg }) => alg)]);
  names.delete(REFRESH_ALGORITHM as never);
  const all = [...names].map((alg) => {
    const own = keys.filter((key) => key.alg === alg);
    const living = own.map(({ kid }) => tokens.get(kid));
    const sum = (kind: 'access' | 'id') => living.reduce((total, each) => total + (each?.[kind] ?? 0), 0);
    const standing: Standing = config.keys.algorithms.some((each) => each === alg)
      ? 'on'
      : leaving.some((each) => each === alg)
        ? 'leaving'
        : 'ended';
    return {
      alg,
      standing,
      isDefault: config.keys.algorithms[0] === alg,
      active: own.find(({ state }) => state === 'active')?.kid ?? null,
      access: sum('access'),
      id: sum('id'),
      reliance: registrations.relianceOn(alg),
    };
  });
  return {
    document: all.map(({ alg, standing, isDefault, active, access, id, reliance }) => ({
      alg,
      standing,
      default: isDefault,
      active_kid: active,
      access_tokens: access,
      id_tokens: id,
      last_used_at: lastUseOf(reliance),
      ...relianceDocument(reliance),
    })),
    text: (style) =>
      all
        .map((each) => {
          const { alg, standing, isDefault, active, reliance } = each;
          const used = lastUseOf(reliance);
          const state = {
            on: style('good', isDefault ? 'on, for whoever names none' : 'on'),
            leaving: style('notable', 'leaving: the settings do not name it any more'),
            ended: style('faint', 'ended: nothing signs with it'),
          }[standing];
          const when = used === null ? 'never used' : `last used ${distance(used, now)}`;
          return [
            `${style('strong', alg)}  ${state}; ${when}; ${tokenWords(each)} alive`,
            ...(active === null ? [] : [`       key ${active} signs`]),
            ...relianceLines(reliance, now),
          ].join('\n');
        })
        .join('\n\n'),
  };
}

function lastUseOf({ clients, resourceServers, unregistered }: Reliance): EpochSeconds | null {
  const times = [...clients, ...resourceServers, ...unregistered].flatMap(
    ({ lastUsedAt }) => lastUsedAt ?? [],
  );
  return times.toSorted((one, other) => other - one)[0] ?? null;
}
