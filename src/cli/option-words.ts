import { Refusal } from '#src/fault.ts';

/** A problem as registrations tell it: the path of the field, and what is wrong with it. */
const PROBLEM = /^([A-Za-z_]+(?:\.[A-Za-z_]+)?)(?:\.\w+)*: (.*)$/s;

/** Does the work; where it is refused for the sake of a field, the refusal speaks of the option in its place. */
export async function inOptionWords<T>(
  options: Readonly<Record<string, string>>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { problems: told = [error.message] } = error.detail as { problems?: readonly string[] };
    const problems = told.map((problem) => {
      const [, field = '', what] = PROBLEM.exec(problem) ?? [];
      return options[field] === undefined ? problem : `${options[field]}: ${what}`;
    });
    const message =
      problems.length === 1 ? problems.join() : ['several things are wrong:', ...problems].join('\n  ');
    throw new Refusal(error.code, message, { problems });
  }
}
