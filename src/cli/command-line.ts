import type { Report } from '#src/cli/report.ts';
import type { Terminal } from '#src/cli/terminal.ts';
import { type LoadedSettings, loadSettings } from '#src/config/load.ts';
import { openServices, type Services, type Surroundings } from '#src/services.ts';

/** What every command understands besides its own options. */
export interface SharedOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** What commands have in common: the settings, the store, and one way of saying what came of it. */
export class CommandLine {
  readonly terminal: Terminal;
  readonly surroundings: Surroundings;
  /** Aborted when the process is asked to end. Whoever never asks for it is ended by the system, as programs are. */
  readonly stopSignal: () => AbortSignal;
  readonly #options: () => SharedOptions;
  /** What `--yes` and prompts work on lives in `prompt.ts`; what the process ends with is kept here. */
  ok = true;

  constructor(parts: {
    terminal: Terminal;
    surroundings: Surroundings;
    stopSignal: () => AbortSignal;
    options: () => SharedOptions;
  }) {
    this.terminal = parts.terminal;
    this.surroundings = parts.surroundings;
    this.stopSignal = parts.stopSignal;
    this.#options = parts.options;
  }

  /** True if the output is for a program. */
  get json(): boolean {
    return this.#options().json === true;
  }

  /** @throws SettingsFault */
  settings(): LoadedSettings {
    return loadSettings({ file: this.#options().config });
  }

  /** Works on the store that the settings name, whether or not a server runs on it, and reports what came of it. */
  async report(work: (services: Services) => Promise<Report>): Promise<void> {
    await using services = await this.openServices();
    this.say(await work(services));
  }

  /** @throws SettingsFault, SetupFault, StorageFault */
  async openServices(): Promise<Services> {
    const { config } = this.settings();
    const services = await openServices(config, this.surroundings);
    if (services.store.created && !this.json) {
      const { asideStyle } = this.terminal;
      this.terminal.tell(asideStyle('faint', `Made a new store: ${config.store}`));
    }
    return services;
  }

  say(report: Report): void {
    const { terminal } = this;
    terminal.print(this.json ? JSON.stringify(report.document, null, 2) : report.text(terminal.style));
    if (report.ok === false) this.ok = false;
  }
}
