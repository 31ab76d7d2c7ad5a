import { CommanderError } from 'commander';
import type { Style } from '#src/cli/terminal.ts';
import { visible } from '#src/cli/terminal.ts';
import { type SettingProblem, SettingsFault } from '#src/config/settings-fault.ts';
import { Refusal, SetupFault, SigningFault, StorageFault } from '#src/fault.ts';
import { WorkerStartFault } from '#src/workers/worker-process.ts';

/** How `keyturn` ends. `failed`: it was refused or went wrong. `usage`: the command or the settings cannot be understood. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** What went wrong, for people and for programs. Holds no secret. */
export interface Failure {
  readonly exitCode: number;
  /** Stays the same, so that scripts can switch on it. */
  readonly code: string;
  readonly message: string;
  /** Where in the program it happened, if that is where the mistake is. */
  readonly stack?: string;
  /** What to do about it. */
  readonly hint?: string;
  /** Every single problem, where there may be several: texts, or the settings that are wrong. */
  readonly problems?: readonly (string | SettingProblem)[];
}

/** The command line asks for something that cannot be understood or done this way. */
export class UsageFault extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = 'UsageFault';
    this.hint = hint;
  }
}

/** Someone pressed Control-C. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** Maps whatever a command threw. What is not known here is a mistake in the program, and keeps its stack. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Refusal) {
    const { problems } = error.detail;
    return {
      exitCode: EXIT.failed,
      code: error.code,
      message: error.message,
      ...(Array.isArray(problems) ? { problems } : undefined),
    };
  }
  if (error instanceof SetupFault) {
    return { exitCode: EXIT.failed, code: error.code, message: error.message, hint: error.hint };
  }
  if (error instanceof StorageFault || error instanceof SigningFault) {
    return { exitCode: EXIT.failed, code: error.code, message: error.message };
  }
  if (error instanceof SettingsFault) {
    const { code, message, problems } = error;
    return { exitCode: EXIT.usage, code, message, problems };
  }
  if (error instanceof UsageFault) {
    const { message, hint } = error;
    return { exitCode: EXIT.usage, code: 'usage', message, ...(hint === undefined ? undefined : { hint }) };
  }
  if (error instanceof CommanderError) {
    return { exitCode: EXIT.usage, code: 'usage', message: error.message.replace(/^error: /, '') };
  }
  // It has been mapped where it happened.
  if (error instanceof WorkerStartFault) return error.failure;
  if (error instanceof Interrupted) {
    return { exitCode: EXIT.interrupted, code: 'interrupted', message: error.message };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { exitCode: EXIT.failed, code: 'internal_error', message, ...(stack && { stack }) };
}

export function failureDocument({ code, message, hint, problems }: Failure): object {
  return { error: code, message, ...(hint && { hint }), ...(problems && { problems }) };
}

export function failureText({ message, stack, hint }: Failure, style: Style): string {
  const told = `${style('bad', 'keyturn:')} ${visible(stack ?? message)}`;
  return hint === undefined ? told : `${told}\n${style('notable', 'hint:')} ${visible(hint)}`;
}
