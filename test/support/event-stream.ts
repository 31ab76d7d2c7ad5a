/** One event of a stream: WHATWG HTML section 9.2. */
export interface ReceivedEvent {
  readonly event: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

/** A stream of server-sent events as a program without a library for it would read it. Disposing it hangs up. */
export class EventStream implements AsyncDisposable {
  readonly response: Response;
  /** The last `id` that came, with an event or without. */
  lastId = '';
  readonly #aborting: AbortController;
  readonly #chunks: AsyncIterator<string>;
  readonly #blocks: string[] = [];
  #rest = '';

  private constructor(response: Response, aborting: AbortController) {
    this.response = response;
    this.#aborting = aborting;
    const body = response.body ?? new ReadableStream();
    this.#chunks = body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  }

  static async open(url: string | URL, headers: Record<string, string> = {}): Promise<EventStream> {
    const aborting = new AbortController();
    return new EventStream(await fetch(url, { headers, signal: aborting.signal }), aborting);
  }

  /** The next event; `null` when the server has ended the stream. */
  async next(): Promise<ReceivedEvent | null> {
    for (;;) {
      const block = await this.nextBlock();
      if (block === null) return null;
      const fields = new Map(
        block
          .split('\n')
          .map((line) => /^([^:]+): ?(.*)$/.exec(line))
          .flatMap((match) => (match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const])),
      );
      this.lastId = fields.get('id') ?? this.lastId;
      const data = fields.get('data');
      if (data !== undefined)
        return { event: fields.get('event') ?? 'message', id: this.lastId, data: JSON.parse(data) };
    }
  }

  /** Everything up to the event of that name, which is left out. */
  async until(event: string): Promise<ReceivedEvent[]> {
    const received: ReceivedEvent[] = [];
    for (;;) {
      const next = await this.next();
      if (next === null) throw new Error(`the stream ended before ${event}`);
      if (next.event === event) return received;
      received.push(next);
    }
  }

  /** The next lines up to an empty one, comments included. */
  async nextBlock(): Promise<string | null> {
    for (;;) {
      const block = this.#blocks.shift();
      if (block !== undefined) return block;
      const { done, value } = await this.#chunks.next();
      if (done === true) return null;
      const parts = (this.#rest + value).split('\n\n');
      this.#rest = parts.pop() ?? '';
      this.#blocks.push(...parts);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#aborting.abort();
  }
}
