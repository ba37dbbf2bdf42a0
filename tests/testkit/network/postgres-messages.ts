/** A statement that a client sent to PostgreSQL. */
export interface ParsedStatement {
  /** The name of a prepared statement; empty otherwise. */
  readonly name: string;
  /** The text, also where a prepared statement is sent by its name alone. */
  readonly text: string;
}

/** Protocol messages of a client that belong together. */
export interface FrontendMessage {
  readonly bytes: Buffer;
  /** Undefined where the messages execute nothing. */
  readonly statement: ParsedStatement | undefined;
  /** The server answers all messages up to this one and then sends ReadyForQuery. */
  readonly expectsAnswer: boolean;
}

const HEADER_BYTES = 5;
const PROTOCOL_3 = 3;

/**
 * Splits what a client sends into statements. Each ends with its Execute message, or is a simple query.
 * A Sync, which several statements may share, is a message of its own without a statement.
 */
export function createFrontendReader(): (chunk: Buffer) => FrontendMessage[] {
  const preparedTexts = new Map<string, string>();
  let rest: Buffer = Buffer.alloc(0);
  let hasStarted = false;
  let parts: Buffer[] = [];
  let statement: ParsedStatement | undefined;

  /** The first packet of a connection has no type byte. */
  function readStartup(): FrontendMessage | undefined {
    if (rest.length < 8 || rest.length < rest.readInt32BE(0)) return undefined;
    const bytes = rest.subarray(0, rest.readInt32BE(0));
    rest = rest.subarray(bytes.length);
    hasStarted = bytes.readInt16BE(4) === PROTOCOL_3;
    return { bytes, statement: undefined, expectsAnswer: hasStarted };
  }

  function readMessage(): FrontendMessage | 'incomplete' | undefined {
    if (rest.length < HEADER_BYTES || rest.length < 1 + rest.readInt32BE(1)) return undefined;
    const message = rest.subarray(0, 1 + rest.readInt32BE(1));
    rest = rest.subarray(message.length);
    parts.push(message);
    const type = String.fromCharCode(message[0] ?? 0);
    const [first = '', second = ''] = message
      .subarray(HEADER_BYTES)
      .toString('utf8')
      .split('\0', 2);
    // Parse: the name, then the text.
    if (type === 'P') {
      preparedTexts.set(first, second);
      statement = { name: first, text: second };
    }
    // Bind: the portal, then the statement's name.
    if (type === 'B') statement = { name: second, text: preparedTexts.get(second) ?? '' };
    if (type === 'Q') statement = { name: '', text: first };
    // Parse, Bind, Describe and Close belong to the message that follows.
    if ('PBDC'.includes(type)) return 'incomplete';
    const sent = { bytes: Buffer.concat(parts), statement, expectsAnswer: 'QS'.includes(type) };
    parts = [];
    statement = undefined;
    return sent;
  }

  return (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const messages: FrontendMessage[] = [];
    for (;;) {
      const next = hasStarted ? readMessage() : readStartup();
      if (next === undefined) return messages;
      if (next !== 'incomplete') messages.push(next);
    }
  };
}

/** Counts the answers that the server has completed, and reads the id of its process. */
export interface BackendReader {
  read(chunk: Buffer): void;
  /** The number of ReadyForQuery messages so far. The first one ends the start of the connection. */
  readonly completedAnswers: number;
  /** The id of the server process of this connection; 0 until the server has sent it. */
  readonly backendPid: number;
}

export function createBackendReader(): BackendReader {
  let rest: Buffer = Buffer.alloc(0);
  let completedAnswers = 0;
  let backendPid = 0;
  return {
    get completedAnswers() {
      return completedAnswers;
    },
    get backendPid() {
      return backendPid;
    },
    read(chunk) {
      rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      while (rest.length >= HEADER_BYTES && rest.length >= 1 + rest.readInt32BE(1)) {
        const type = String.fromCharCode(rest[0] ?? 0);
        // ReadyForQuery, and BackendKeyData.
        if (type === 'Z') completedAnswers += 1;
        if (type === 'K') backendPid = rest.readInt32BE(HEADER_BYTES);
        rest = rest.subarray(1 + rest.readInt32BE(1));
      }
    },
  };
}
