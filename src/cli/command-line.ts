import type { Report } from '#src/cli/report.ts';
import type { Terminal } from '#src/cli/terminal.ts';
import type { Environment } from '#src/config/environment.ts';
import { type LoadedSettings, loadSettings } from '#src/config/load.ts';
import type { Config } from '#src/config/schema.ts';
import type { Services, Surroundings } from '#src/services.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What every command understands besides its own options. */
export interface SharedOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** What a command comes into: streams, clock and chance, variables, and the wish of the process to end. */
export interface CommandLineParts {
  readonly terminal: Terminal;
  readonly surroundings: Surroundings;
  readonly env: Environment;
  /**
   * Aborted when the process is asked to end. A command that never asks for it is ended by the system, as programs
   * usually are.
   */
  readonly stopSignal: () => AbortSignal;
  /** Hears a signal that asks the process to end unless somebody hears it, before `stopSignal` is asked for. */
  readonly onSignal: (signal: 'SIGHUP' | 'SIGINT', heard: () => void) => void;
  /** Hears that the process ends, however it does unless it is killed, when nothing can be waited for any more. */
  readonly onExit: (heard: () => void) => void;
  /** Asks for so many threads for what blocks, before any has been used. Whoever runs the process may have said otherwise. */
  readonly threadsWanted: (count: number) => void;
  readonly options: () => SharedOptions;
  /** When the command was given; by default, now. */
  readonly givenAt?: EpochSeconds;
}

/** What Node has for files, names, RSA signatures and all else that blocks. */
const THREADS_BESIDE_HASHING = 4;

/** What commands have in common: the settings, the store, and one way of saying what came of it. */
export class CommandLine {
  /** When the command was given: whatever somebody else has done since came in the same moment. */
  readonly givenAt: EpochSeconds;
  readonly #parts: CommandLineParts;
  #allHeld = true;

  constructor(parts: CommandLineParts) {
    this.#parts = parts;
    this.givenAt = parts.givenAt ?? parts.surroundings.clock.now();
  }

  get terminal(): Terminal {
    return this.#parts.terminal;
  }

  get surroundings(): Surroundings {
    return this.#parts.surroundings;
  }

  get stopSignal(): AbortSignal {
    return this.#parts.stopSignal();
  }

  get env(): Environment {
    return this.#parts.env;
  }

  /** As `CommandLineParts` says. */
  onSignal(signal: 'SIGHUP' | 'SIGINT', heard: () => void): void {
    this.#parts.onSignal(signal, heard);
  }

  /** As `CommandLineParts` says. */
  onExit(heard: () => void): void {
    this.#parts.onExit(heard);
  }

  /**
   * Has a thread for each of the passwords that are hashed at the same time, beside those for all else that blocks.
   * A hash holds its thread for as long as a whole request takes elsewhere: files and signatures would wait for
   * passwords, and on a machine of more than five cores passwords for one another. Before anything has blocked.
   */
  makeRoomForHashing({ passwords }: Pick<Config, 'passwords'>): void {
    this.#parts.threadsWanted(passwords.hashConcurrency + THREADS_BESIDE_HASHING);
  }

  /** True if the output is for a program. */
  get json(): boolean {
    return this.#parts.options().json === true;
  }

  /** False once a report was not `ok`. */
  get allHeld(): boolean {
    return this.#allHeld;
  }

  /** @throws SettingsFault */
  settings(): LoadedSettings {
    return loadSettings({ file: this.#parts.options().config, env: this.#parts.env });
  }

  /**
   * Works on the store that the settings name, whether or not a server runs on it, and reports what came of it.
   * @throws SettingsFault, SetupFault, StorageFault, and what the work throws.
   */
  async report(work: (services: Services) => Promise<Report>): Promise<void> {
    const { config } = this.settings();
    const { openServices } = await import('#src/services.ts');
    await using services = await openServices(config, this.surroundings);
    // Someone in the wrong folder would otherwise wonder where everything has gone.
    if (services.store.created && !this.json) this.note(`Made a new store, ${config.store}`);
    this.say(await work(services));
  }

  /** Tells something beside the output. */
  note(text: string): void {
    this.terminal.tell(this.terminal.asideStyle('faint', text));
  }

  say(report: Report): void {
    const { terminal } = this;
    terminal.print(this.json ? JSON.stringify(report.document, null, 2) : report.text(terminal.style));
    if (report.ok === false) this.#allHeld = false;
  }
}
