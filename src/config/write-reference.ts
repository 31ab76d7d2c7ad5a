import { writeFileSync } from 'node:fs';
import { settingsReference } from '#src/config/reference.ts';

/** `npm run docs`: writes the settings reference anew. */
writeFileSync(new URL('../../docs/settings.md', import.meta.url), settingsReference());
