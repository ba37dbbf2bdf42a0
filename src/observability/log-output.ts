import { constants, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';

/** The destination of the log's lines. */
export interface LogDestination {
  write(text: string): void;
  /** Calls the listener with the number of lost lines, when lines can be written again. */
  onLost?(listener: (lines: number) => void): void;
}

export interface LogOutput extends LogDestination {
  /**
   * Resolves when all waiting lines are written, or after a short time if nobody reads them. Lines that wait
   * when the process exits are written then.
   */
  flush(): Promise<void>;
}

/** The maximum of characters that wait for a reader. Further lines are lost. */
const maxWaitingLength = 1_048_576;
const retryMs = 50;
const flushMs = 200;

/**
 * Writes to stdout and never waits for its reader. All lines of one iteration of the event loop are written
 * together. Up to a megabyte waits for a slow reader, and further lines are lost. Lines are also lost if
 * nobody reads stdout or the disk is full. The service continues in all three cases.
 */
export function createLogOutput(): LogOutput {
  const fd = openStdout();
  const waiting: string[] = [];
  let waitingLength = 0;
  /** The rest of the lines that are being written. */
  let partial = Buffer.alloc(0);
  let partialLines = 0;
  let isScheduled = false;
  let lostLines = 0;
  let reportLost = (_lines: number) => {};

  const isEmpty = () => waiting.length === 0 && partial.length === 0;

  function write(text: string): void {
    if (waitingLength + partial.length + text.length > maxWaitingLength) {
      lostLines += 1;
      return;
    }
    waiting.push(text);
    waitingLength += text.length;
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(writeAndRetry);
  }

  function writeAndRetry(): void {
    const isAccepted = writeWaiting();
    isScheduled = !isEmpty();
    if (isScheduled) setTimeout(writeAndRetry, retryMs).unref();
    else if (isAccepted && lostLines > 0) notifyLost();
  }

  /** @returns false if stdout accepts nothing; true also if it accepts only a part for now */
  function writeWaiting(): boolean {
    if (partial.length === 0) {
      partial = Buffer.from(waiting.join(''));
      partialLines = waiting.length;
      waiting.length = 0;
      waitingLength = 0;
    }
    try {
      partial = partial.subarray(writeSync(fd, partial));
      return true;
    } catch (error) {
      if (isWouldBlock(error)) return true;
      lostLines += partialLines + waiting.length;
      partial = Buffer.alloc(0);
      waiting.length = 0;
      waitingLength = 0;
      return false;
    }
  }

  function notifyLost(): void {
    const lines = lostLines;
    lostLines = 0;
    reportLost(lines);
  }

  function flushSync(): void {
    const deadline = Date.now() + flushMs;
    writeWaiting();
    while (!isEmpty() && Date.now() < deadline) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      writeWaiting();
    }
  }

  process.once('exit', flushSync);
  return {
    write,
    onLost(listener) {
      reportLost = listener;
    },
    async flush() {
      const deadline = Date.now() + flushMs;
      writeWaiting();
      while (!isEmpty() && Date.now() < deadline) {
        await sleep(1);
        writeWaiting();
      }
    },
  };
}

/** Opens stdout so that a write fails instead of blocking. */
function openStdout(): number {
  const { fd } = process.stdout;
  // A pipe is non-blocking after the first access to `process.stdout`. A file never blocks. A terminal that
  // is paused (Ctrl-S) would block, so it is opened a second time.
  if (!isatty(fd)) return fd;
  try {
    return openSync(
      `/dev/fd/${fd}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    // The terminal belongs to another user, for instance after `su`.
    return fd;
  }
}

function isWouldBlock(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
