/** In so many steps the time is counted. */
const STEPS = 4;

/**
 * Calls `due` once this process has been able to run for about so long, unless disposed before. While it was held up,
 * by work of its own or because the machine was busy or asleep, it could not read the answer that it waits for either:
 * that costs one step of the count, however long it lasted.
 */
export function afterRunning(milliseconds: number, due: () => void): Disposable {
  let timer: NodeJS.Timeout;
  const count = (left: number) => {
    timer = setTimeout(() => (left === 1 ? due() : count(left - 1)), milliseconds / STEPS);
  };
  count(STEPS);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
