import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Megabytes that a process holds, by Linux; undefined elsewhere and where it has ended. */
async function residentMb(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
}

/** Reads a process's memory as long as the work takes. @returns megabytes, in order of time */
export async function watchMemory(
  pid: number,
  everyMs: number,
  work: () => Promise<unknown>,
): Promise<readonly number[]> {
  const samples: number[] = [];
  const done = new AbortController();
  const watching = (async () => {
    while (!done.signal.aborted) {
      const megabytes = await residentMb(pid);
      if (megabytes !== undefined) samples.push(megabytes);
      await sleep(everyMs, undefined, { signal: done.signal }).catch(() => {});
    }
  })();
  try {
    await work();
  } finally {
    done.abort();
    await watching;
  }
  return samples;
}
