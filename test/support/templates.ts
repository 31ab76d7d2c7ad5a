import { fileURLToPath } from 'node:url';
import { loadTemplates } from '#src/http/templates.ts';

const inProgram = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export const VIEWS = inProgram('views');

/** The templates of all pages, as the server has them. */
export const templates = await loadTemplates({
  views: VIEWS,
  compiled: inProgram('node_modules/.cache/keyturn'),
});
