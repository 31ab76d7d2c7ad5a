import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm } from '#src/cli/input.ts';
import { readJson } from '#src/cli/json-file.ts';
import { distance, moment, table } from '#src/cli/layout.ts';
import { YES } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import { parseDuration } from '#src/config/duration.ts';
import { Refusal } from '#src/fault.ts';
import type { FormerKey, FormerKeys } from '#src/signing/former-keys.ts';
import { days, type EpochSeconds, type Seconds } from '#src/units.ts';

/** Longer than any access token should live, so that a mistake does not stay for ever. */
const FOR_MAX = days(30);

/** `keyturn former-keys …`: public keys of the server that was here before, for as long as its tokens live. */
export function formerKeyCommands(cli: CommandLine): Command {
  const keys = new Command('former-keys').description(
    'public keys of the server that was here before, published beside those of this one',
  );
  const now = () => cli.surroundings.clock.now();
  keys
    .command('add <file>')
    .description('publish the JWK Set of the former server until its last token has expired')
    .option('--for <duration>', 'how long that is, such as 12h', '1d')
    .action((file: string, options: { for: string }) => {
      const lifetime = lifetimeOf(options.for);
      return cli.report(({ formerKeys }) => addKeys(formerKeys, readJson('FILE', file), lifetime));
    });
  keys
    .command('list')
    .description('show those that are published, and until when')
    .action(() => cli.report(({ formerKeys }) => listKeys(formerKeys, now())));
  keys
    .command('remove <kid>')
    .description('publish a key of the former server no longer')
    .option(...YES)
    .action((kid: string, options: { yes?: boolean }) =>
      cli.report(({ formerKeys }) => removeKey(cli, formerKeys, kid, options)),
    );
  return keys;
}

function lifetimeOf(text: string): Seconds {
  const length = parseDuration(text);
  if (length !== null && length > 0 && length <= FOR_MAX) return length;
  throw new UsageFault(`--for: "${text}" is no length of time up to 30d`, 'write it like 12h or 1d');
}

async function addKeys(formerKeys: FormerKeys, document: unknown, lifetime: Seconds): Promise<Report> {
  const { added, passedOver } = await formerKeys.add(document, lifetime);
  return {
    document: { added: added.map(documentOf), passed_over: passedOver },
    ok: added.length > 0,
    text: (style) =>
      [
        ...added.map(({ jwk }) => `${style('good', 'Published')} ${jwk.kid}`),
        ...passedOver.map(({ kid, why }) => `${style('notable', 'Passed over')} ${kid}: ${why}`),
        added[0] === undefined
          ? 'Nothing is published that was not before.'
          : `Until ${moment(added[0].until)}. Nothing is signed with them, and introspection does not take what they signed.`,
      ].join('\n'),
  };
}

async function listKeys(formerKeys: FormerKeys, now: EpochSeconds): Promise<Report> {
  const keys = await formerKeys.list();
  return {
    document: keys.map(documentOf),
    text: (style) =>
      keys.length === 0
        ? 'No keys of a former server are published.'
        : table(
            ['KEY ID', 'TYPE', 'ADDED', 'UNTIL'],
            keys.map(({ jwk, addedAt, until }) => [
              jwk.kid,
              jwk.crv ?? jwk.kty ?? null,
              moment(addedAt),
              `${moment(until)}, ${distance(until, now)}`,
            ]),
            style,
          ),
  };
}

async function removeKey(
  { terminal }: CommandLine,
  formerKeys: FormerKeys,
  kid: string,
  options: { yes?: boolean },
): Promise<Report> {
  await confirm(terminal, `Stop publishing ${kid}, so that nobody verifies what it signed?`, options);
  if (!(await formerKeys.remove(kid))) throw new Refusal('key_not_found', `no former key ${kid}`);
  return {
    document: { removed: kid },
    text: (style) => `${style('good', 'Removed')} ${kid}. Caches may hold it for as long as the JWKS says.`,
  };
}

const documentOf = ({ jwk, addedAt, until }: FormerKey): object => ({
  kid: jwk.kid,
  kty: jwk.kty,
  added_at: addedAt,
  until,
});
