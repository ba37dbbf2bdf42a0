import { constants, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';

/** Where the log's lines go. */
export interface LogDestination {
  write(text: string): void;
  /** The listener hears how many lines were lost, each time that lines can be written again. */
  onLost?(listener: (lines: number) => void): void;
}

export interface Output extends LogDestination {
  /** Resolves when what waits is written, or soon, where nobody takes it. */
  flush(): Promise<void>;
  /** The same for who cannot wait for a promise: stands still instead. */
  flushSync(): void;
}

/** Of text that waits for a reader: what is beyond it is lost. */
const maxWaitingBytes = 1_048_576;
const retryMs = 50;
const flushMs = 200;

/**
 * Writes to stdout without ever waiting for who reads it. A reader that is slow finds up to a megabyte
 * waiting, and what comes after it is lost; so is what is written while nobody reads at all, or the disk
 * is full. The service goes on in all three cases.
 */
export function createOutput(): Output {
  const fd = openStdout();
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let lost = 0;
  let retry: NodeJS.Timeout | undefined;
  let tellLost = (_lines: number) => {};

  function write(text: string): void {
    if (waiting.length > 0) return wait(Buffer.from(text));
    const written = tryWrite(text);
    if (written === undefined) lost += 1;
    else if (written < Buffer.byteLength(text)) wait(Buffer.from(text).subarray(written));
    else if (lost > 0) sayLost();
  }

  /** Bytes that were taken; undefined where none will be: nobody reads, or the disk is full. */
  function tryWrite(text: string | Buffer): number | undefined {
    try {
      return typeof text === 'string' ? writeSync(fd, text) : writeSync(fd, text);
    } catch (error) {
      return isFull(error) ? 0 : undefined;
    }
  }

  function wait(rest: Buffer): void {
    if (waitingBytes + rest.length > maxWaitingBytes) {
      lost += 1;
      return;
    }
    waiting.push(rest);
    waitingBytes += rest.length;
    retry ??= setTimeout(tryAgain, retryMs).unref();
  }

  function tryAgain(): void {
    retry = undefined;
    const isWritten = writeWaiting();
    if (waiting.length > 0) retry = setTimeout(tryAgain, retryMs).unref();
    else if (isWritten && lost > 0) sayLost();
  }

  /** Whether all of it was taken. */
  function writeWaiting(): boolean {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const written = tryWrite(next);
      if (written === undefined) {
        lost += waiting.length;
        waiting = [];
        waitingBytes = 0;
        return false;
      }
      waitingBytes -= written;
      if (written < next.length) {
        waiting[0] = next.subarray(written);
        return false;
      }
      waiting.shift();
    }
    return true;
  }

  function sayLost(): void {
    const lines = lost;
    // Before the listener, whose line comes here too.
    lost = 0;
    tellLost(lines);
  }

  return {
    write,
    onLost(listener) {
      tellLost = listener;
    },
    async flush() {
      const deadline = Date.now() + flushMs;
      while (waiting.length > 0 && Date.now() < deadline) {
        await sleep(retryMs / 10);
        writeWaiting();
      }
    },
    flushSync() {
      const deadline = Date.now() + flushMs;
      while (waiting.length > 0 && Date.now() < deadline) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs / 10);
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
