import { z } from 'zod';
import { GROUPS, type Setting, type SettingGroup, written } from '#src/config/catalogue.ts';
import { CONFIG_VARIABLE } from '#src/config/environment.ts';
import { RULES } from '#src/config/rules.ts';

/** A settings file to begin with, for a server behind a reverse proxy. */
export const EXAMPLE_FILE = `# keyturn.yaml
issuer: https://id.example.com
host: 0.0.0.0
trustProxy: [10.0.0.0/8]
store: sqlite:/var/lib/keyturn/keyturn.db
keysDir: /etc/keyturn/keys

lifetimes:
  accessToken: 5m
  refreshIdle: 30d
  session: 8h

throttle:
  signInFailuresPerAccount: 5
`;

/** The settings reference in Markdown, made of the schema alone. */
export function settingsReference(): string {
  return [INTRODUCTION, ...GROUPS.map(groupSection), rulesSection()].join('\n');
}

const INTRODUCTION = `# Settings

This page is made from \`src/config/schema.ts\` by \`npm run docs\`; a test fails when the two differ.

Keyturn needs no settings to run on one machine. Every setting can be given in a file, in an environment variable, or
in both:

1. the environment variable, if it is set and not empty;
2. the settings file, if there is one;
3. the default.

Everything is checked before the server starts. If anything is wrong, all of it is listed at once with the place it came
from, and the server does not start: values that are not understood or out of range, settings and \`KEYTURN_\` variables
that do not exist, and values that do not fit together. \`keyturn config check\` does the same without starting, and shows
every setting with its value and where that came from. Values of secrets are never shown.

## The settings file

The command line names it (\`keyturn serve --config keyturn.yaml\`), or else the variable \`${CONFIG_VARIABLE}\`. It is YAML 1.2
(\`.yaml\`, \`.yml\`) or JSON (\`.json\`). A key without a value counts as not there.

\`\`\`yaml
${EXAMPLE_FILE}\`\`\`

## Environment variables

Each setting has one variable, made of its path: \`lifetimes.accessToken\` is \`KEYTURN_LIFETIMES_ACCESS_TOKEN\`. Lists are
written with commas: \`KEYTURN_TRUST_PROXY=10.0.0.0/8,127.0.0.1\`. An empty variable counts as not set.

A secret can also be read from a file, as container platforms hand them out: \`KEYTURN_KEK_FILE=/run/secrets/kek\`. One
line break at its end is dropped. To set both the variable and its \`_FILE\` is an error.

In Kubernetes, a service that is called \`keyturn\` puts variables such as \`KEYTURN_PORT=tcp://10.0.0.1:3000\` and
\`KEYTURN_SERVICE_HOST\` into every container of its namespace. They are not settings, and are passed over.

## How values are written

- **Durations** are whole numbers with a unit, \`d\`, \`h\`, \`m\` or \`s\`, from long to short: \`90d\`, \`1h30m\`, \`10s\`. A bare number
  counts seconds.
- **Sizes** are whole numbers with \`KiB\`, \`MiB\` or \`GiB\`. A bare number counts bytes.
- **Paths** that are relative begin at the folder in which the server was started.
`;

function groupSection({ key, title, settings }: SettingGroup): string {
  const heading = key === null ? `## ${title}` : `## ${title}: \`${key}\``;
  const head = ['| setting and variable | default | meaning | what to write |', '|---|---|---|---|'];
  return [heading, '', ...head, ...settings.map(settingRow), ''].join('\n');
}

function settingRow(setting: Setting): string {
  const { name, variable, about } = setting;
  const variables = about.secret ? [variable, `${variable}_FILE`] : [variable];
  const names = [name, ...variables].map((text) => `\`${text}\``).join('<br>');
  return `| ${names} | ${defaultOf(setting)} | ${about.meaning} | ${about.expects} |`;
}

function defaultOf(setting: Setting): string {
  if (setting.about.derived !== undefined) return setting.about.derived;
  const value = written(setting, z.parse(setting.schema, undefined));
  if (value === null) return 'not set';
  return Array.isArray(value) ? `\`[${value.join(', ')}]\`` : `\`${value}\``;
}

function rulesSection(): string {
  const rules = RULES.map(({ rule, because }) => `- ${rule}, because ${because}.`);
  return ['## What must hold between settings', '', ...rules, ''].join('\n');
}
