import { facts } from '#src/cli/layout.ts';
import type { Style } from '#src/cli/terminal.ts';
import type { Config } from '#src/config/schema.ts';

const KEYTURN = 'npm run keyturn --';

/** What to do with a server that has just come up: at length after its first start, in one line afterwards. */
export function firstSteps(
  { issuer, store, keysDir, kek }: Config,
  { created }: { created: boolean },
): { document: object; text(style: Style): string } {
  if (!created) {
    return {
      document: { issuer, store },
      text: (style) =>
        `${style('good', 'Keyturn is ready:')} ${style('strong', issuer)}\n` +
        `${style('faint', `See it work: npm run tour. Everything else: ${KEYTURN} help`)}\n`,
    };
  }
  const steps = {
    'see it work': 'npm run tour',
    'add a client': `${KEYTURN} clients add --name web --redirect-uri http://127.0.0.1:4000/cb --scope 'openid profile'`,
    'add a resource server': `${KEYTURN} resources add --identifier https://api.example.com --scope read`,
    'add an account': `${KEYTURN} accounts add --username ada --email ada@example.com`,
  };
  const made = {
    store,
    keys: kek === null ? keysDir : 'given by the settings',
  };
  return {
    document: { issuer, first_start: true, ...made, next: steps },
    text: (style) =>
      [
        `${style('good', 'Keyturn is ready:')} ${style('strong', issuer)}`,
        '',
        'This is its first start. It has made',
        facts(made, style),
        'Keep a copy of the keys apart from copies of the store: without them nobody can read it.',
        '',
        'In another terminal:',
        facts(steps, style),
        '',
      ].join('\n'),
  };
}
