/** What a client asked PostgreSQL for. */
export interface Statement {
  /** Of a prepared statement, else empty. */
  readonly name: string;
  /** A prepared statement's text too where it is sent by its name alone. */
  readonly text: string;
}

/** The bytes that belong together; `statement` where they ask for something. */
export interface Sent {
  readonly bytes: Buffer;
  readonly statement: Statement | undefined;
  /** The server answers it, and all before it that is not answered yet, and ends with a ReadyForQuery. */
  readonly isAnswered: boolean;
}

const HEADER = 5;
const PROTOCOL_3 = 3;

/**
 * Cuts what a client sends into statements: each ends with its Execute, or is a simple query. The Sync
 * that several may share is none of them.
 */
export function createClientReader(): (chunk: Buffer) => Sent[] {
  const texts = new Map<string, string>();
  let rest: Buffer = Buffer.alloc(0);
  let hasStarted = false;
  let parts: Buffer[] = [];
  let statement: Statement | undefined;

  /** The first packet of a connection has no type. */
  function readStart(): Sent | undefined {
    if (rest.length < 8 || rest.length < rest.readInt32BE(0)) return undefined;
    const bytes = rest.subarray(0, rest.readInt32BE(0));
    rest = rest.subarray(bytes.length);
    hasStarted = bytes.readInt16BE(4) === PROTOCOL_3;
    return { bytes, statement: undefined, isAnswered: hasStarted };
  }

  function readMessage(): Sent | 'part' | undefined {
    if (rest.length < HEADER || rest.length < 1 + rest.readInt32BE(1)) return undefined;
    const message = rest.subarray(0, 1 + rest.readInt32BE(1));
    rest = rest.subarray(message.length);
    parts.push(message);
    const type = String.fromCharCode(message[0] ?? 0);
    const [first = '', second = ''] = message.subarray(HEADER).toString('utf8').split('\0', 2);
    if (type === 'P') {
      texts.set(first, second);
      statement = { name: first, text: second };
    }
    // A Bind names its portal first.
    if (type === 'B') statement = { name: second, text: texts.get(second) ?? '' };
    if (type === 'Q') statement = { name: '', text: first };
    if ('PBDC'.includes(type)) return 'part';
    const sent = { bytes: Buffer.concat(parts), statement, isAnswered: 'QS'.includes(type) };
    parts = [];
    statement = undefined;
    return sent;
  }

  return (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const sent: Sent[] = [];
    for (;;) {
      const next = hasStarted ? readMessage() : readStart();
      if (next === undefined) return sent;
      if (next !== 'part') sent.push(next);
    }
  };
}

/** Counts the answers that the server has ended, and knows which of its processes it is. */
export interface ServerReader {
  read(chunk: Buffer): void;
  /** ReadyForQuery messages so far; the first ends the start of the connection. */
  readonly answers: number;
  /** Of the server's process for this connection; 0 before it said so. */
  readonly pid: number;
}

export function createServerReader(): ServerReader {
  let rest: Buffer = Buffer.alloc(0);
  let answers = 0;
  let pid = 0;
  return {
    get answers() {
      return answers;
    },
    get pid() {
      return pid;
    },
    read(chunk) {
      rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      while (rest.length >= HEADER && rest.length >= 1 + rest.readInt32BE(1)) {
        const type = String.fromCharCode(rest[0] ?? 0);
        if (type === 'Z') answers += 1;
        if (type === 'K') pid = rest.readInt32BE(HEADER);
        rest = rest.subarray(1 + rest.readInt32BE(1));
      }
    },
  };
}
