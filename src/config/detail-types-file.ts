import { type DetailTypes, parseDetailTypes } from '#src/authorization-details/detail-type.ts';
import { readYaml } from '#src/config/config-file.ts';
import { describeFileFault } from '#src/config/file-fault.ts';
import type { SettingProblem } from '#src/config/settings-fault.ts';
import { Refusal } from '#src/fault.ts';

/** The setting that names the file. */
export const DETAIL_TYPES_SETTING = 'requests.authorizationDetailsFile';

/** Reads the types of authorization details that a file declares, YAML 1.2 or JSON, which is YAML as well. */
export function readDetailTypes(
  path: string | null,
  readFile: (path: string) => string,
): { readonly types: DetailTypes; readonly problems: readonly SettingProblem[] } {
  if (path === null || path === undefined) return { types: new Map(), problems: [] };
  const wrong = (messages: readonly string[]) => ({
    types: new Map(),
    problems: messages.map((message) => ({ setting: DETAIL_TYPES_SETTING, place: path, message })),
  });
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    return wrong([describeFileFault(error)]);
  }
  const read = readYaml(text);
  if ('wrong' in read) return wrong([read.wrong]);
  try {
    return { types: parseDetailTypes(read.content), problems: [] };
  } catch (problem) {
    if (problem instanceof Refusal) return wrong(problem.detail.problems as readonly string[]);
    throw problem;
  }
}
