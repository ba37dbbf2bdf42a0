import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { processStartId } from '../../../dev/embedded-postgres/processes.ts';

/** Sends the signal, unless the process has ended already. Resolves once it has ended. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/** Whether a process with this id runs. A zombie does not run. */
export function isRunning(pid: number): boolean {
  return processStartId(pid) !== undefined;
}
