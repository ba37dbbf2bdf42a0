type Request = { readonly id: number; readonly message: unknown };

/** What a child answers with, once it is up. */
export interface Served {
  /** Sent to the parent when it is ready, such as an address. */
  readonly ready: object;
  /** Answers what the parent asks. An error goes back as one. */
  answer?(message: never): unknown;
  /** Called when the parent has let go of the child, or is gone. */
  stop?(): Promise<unknown> | void;
}

export type Start<Settings> = (settings: Settings) => Promise<Served>;

/**
 * The child's side of `startChild`. The channel to the parent is the child's life line: it breaks
 * also where the parent was killed, so that nothing a benchmark started outlives it.
 *
 * @param start gets the settings that the parent sent first
 */
export function serveParent<Settings>(start: Start<Settings>): void {
  // A Ctrl-C in the terminal is for the parent, which then lets go of its children in order.
  process.on('SIGINT', () => {});
  process.once('message', (settings) => void begin(start, settings as Settings));
  process.send?.({ id: -1, value: null });
}

async function begin<Settings>(start: Start<Settings>, settings: Settings): Promise<void> {
  const starting = start(settings);
  const leave = () => void starting.then((served) => served.stop?.()).finally(() => process.exit());
  process.once('disconnect', leave);
  if (!process.connected) return leave();
  await reply(0, () => starting.then(({ ready }) => ready));
  const served = await starting.catch(() => process.exit(1));
  process.on('message', ({ id, message }: Request) => {
    void reply(id, () => served.answer?.(message as never));
  });
}

async function reply(id: number, work: () => unknown): Promise<void> {
  try {
    send({ id, value: (await work()) ?? null });
  } catch (error) {
    send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

function send(message: object): void {
  if (process.connected) process.send?.(message);
}
