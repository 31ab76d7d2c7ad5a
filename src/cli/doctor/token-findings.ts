import type { Finding } from '#src/cli/doctor/finding.ts';
import { Refusal, SetupFault } from '#src/fault.ts';
import type { Services } from '#src/services.ts';
import type { SigningKeyRecord } from '#src/signing/key-ring.ts';

type OutsideKey = SigningKeyRecord & { readonly outside: string };

type Token = NonNullable<Services['token']>;

/** Whether the PKCS#11 token is there and holds what is to be signed with. Opens it, and tries every key. */
export async function tokenFindings({ token, rotation, config }: Services): Promise<readonly Finding[]> {
  const subject = 'token';
  const keys = rotation.held.ring.keys.filter(isOutside);
  if (token === null) {
    if (keys.length === 0) return [];
    const says = `${keys.length} signing keys are in a PKCS#11 token, and the settings name none`;
    return [{ subject, state: 'ill', says, remedy: 'set pkcs11.module, pkcs11.token and pkcs11.pinFile' }];
  }
  try {
    const { manufacturer, model, algorithms, labels } = await token.keys.look();
    const says = `${token.label} can be opened (${[manufacturer, model].join(', ')})`;
    const tried: Finding[] = [];
    for (const key of keys) tried.push(...(await keyFindings(token, key)));
    return [
      { subject, state: 'well', says },
      ...lackingFindings(config, algorithms),
      ...tried,
      ...strayFindings(token, keys, labels),
    ];
  } catch (problem) {
    if (problem instanceof SetupFault) {
      return [{ subject, state: 'ill', says: problem.message, remedy: problem.hint }];
    }
    throw problem;
  }
}

const isOutside = (key: SigningKeyRecord): key is OutsideKey => key.outside !== null && key.revoked === null;

async function keyFindings(token: Token, { kid, alg, jwk, outside }: OutsideKey): Promise<Finding[]> {
  const subject = `token ${alg}`;
  const remedy = `keyturn keys revoke ${kid} --reason 'it is lost'`;
  try {
    const there = await token.keys.read(token.labelOf(outside));
    const same = ['n', 'x', 'y'].every((member) => there.jwk[member] === jwk[member]);
    if (same) return [{ subject, state: 'well', says: `${kid} signs` }];
    return [{ subject, state: 'ill', says: `another key is there in place of ${kid}`, remedy }];
  } catch (problem) {
    if (problem instanceof Refusal) return [{ subject, state: 'ill', says: problem.message, remedy }];
    throw problem;
  }
}

function lackingFindings({ keys }: Services['config'], algorithms: readonly string[]): Finding[] {
  if (keys.source !== 'pkcs11') return [];
  return keys.algorithms
    .filter((alg) => !algorithms.includes(alg))
    .map((alg) => ({
      subject: 'token',
      state: 'ill',
      says: `it makes no keys for ${alg}`,
      remedy: 'take the algorithm out of keys.algorithms, or set keys.source to store',
    }));
}

/** Keys that have lost their use while the token was away, or that are somebody else's. */
function strayFindings(token: Token, keys: readonly OutsideKey[], labels: readonly string[]): Finding[] {
  const used = new Set(keys.map(({ outside }) => token.labelOf(outside)));
  const strays = labels.filter((label) => !used.has(label));
  if (strays.length === 0) return [];
  const says = `it holds private keys that this server does not use: ${strays.join(', ')}`;
  const remedy = 'destroy those that nobody else uses, by the tools of the token';
  return [{ subject: 'token', state: 'notable', says, remedy }];
}
