import { constants, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';

/** Where the log's lines go. */
export interface LogDestination {
  write(text: string): void;
  /** The listener hears how many lines were lost, each time that lines can be written again. */
  onLost?(listener: (lines: number) => void): void;
}

export interface LogOutput extends LogDestination {
  /**
   * Resolves when what waits is written, or soon, where nobody takes it. What waits when the process ends
   * is written then.
   */
  flush(): Promise<void>;
}

/** Characters that may wait for a reader: what comes beyond them is lost. */
const maxWaiting = 1_048_576;
const retryMs = 50;
const flushMs = 200;

/**
 * Writes to stdout without ever waiting for who reads it, all lines of a turn of the event loop at once.
 * A reader that is slow finds up to a megabyte waiting, and what comes after it is lost; so is what is
 * written while nobody reads at all, or the disk is full. The service goes on in all three cases.
 */
export function createLogOutput(): LogOutput {
  const fd = openStdout();
  const waiting: string[] = [];
  let waitingLength = 0;
  /** What is being written: the rest of some lines that waited. */
  let begun = Buffer.alloc(0);
  let begunLines = 0;
  let isScheduled = false;
  let lost = 0;
  let tellLost = (_lines: number) => {};

  const isEmpty = () => waiting.length === 0 && begun.length === 0;

  function write(text: string): void {
    if (waitingLength + begun.length + text.length > maxWaiting) {
      lost += 1;
      return;
    }
    waiting.push(text);
    waitingLength += text.length;
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(writeAndRetry);
  }

  function writeAndRetry(): void {
    const isTaken = writeWaiting();
    isScheduled = !isEmpty();
    if (isScheduled) setTimeout(writeAndRetry, retryMs).unref();
    else if (isTaken && lost > 0) sayLost();
  }

  /** Whether somebody takes it, though not all of it at once. */
  function writeWaiting(): boolean {
    if (begun.length === 0) {
      begun = Buffer.from(waiting.join(''));
      begunLines = waiting.length;
      waiting.length = 0;
      waitingLength = 0;
    }
    try {
      begun = begun.subarray(writeSync(fd, begun));
      return true;
    } catch (error) {
      if (isFull(error)) return true;
      lost += begunLines + waiting.length;
      begun = Buffer.alloc(0);
      waiting.length = 0;
      waitingLength = 0;
      return false;
    }
  }

  function sayLost(): void {
    const lines = lost;
    lost = 0;
    tellLost(lines);
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
      tellLost = listener;
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

/** A descriptor of stdout whose writes fail where they would have to wait. */
function openStdout(): number {
  const { fd } = process.stdout;
  // A pipe does so as soon as `process.stdout` was looked at, a file never waits. A terminal that is
  // held (Ctrl-S) would wait, so it is opened a second time.
  if (!isatty(fd)) return fd;
  try {
    return openSync(
      `/dev/fd/${fd}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    // It belongs to somebody else, as after `su`.
    return fd;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
