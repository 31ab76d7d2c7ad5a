/** What clients are counted under that have no label of their own. */
const OTHER_CLIENTS = 'other';

/**
 * Under which label a client is counted. The first `max` have one of their own, for as long as the process runs; all that
 * come after them share one, so that nobody can make the metrics grow by making clients.
 */
export class ClientLabels {
  readonly #max: number;
  readonly #own = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** `invited`: an administrator has registered it. Others never have a label of their own. */
  labelOf(clientId: string, { invited }: { readonly invited: boolean }): string {
    if (this.#own.has(clientId)) return clientId;
    if (!invited || this.#own.size >= this.#max) return OTHER_CLIENTS;
    this.#own.add(clientId);
    return clientId;
  }
}
