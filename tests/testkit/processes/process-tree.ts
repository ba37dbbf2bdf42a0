import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readOrUndefined } from '../../../dev/embedded-postgres/processes.ts';

/** The ids of a process and of all its descendants. It is synchronous, so that an exit handler can call it. */
export function processTreeOf(root: number): readonly number[] {
  const children = Map.groupBy(listProcesses(), ({ parent }) => parent);
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []).map((child) => child.pid));
  return tree;
}

function listProcesses(): { readonly pid: number; readonly parent: number }[] {
  if (process.platform !== 'linux') {
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).split('\n');
    return lines.map((line) => {
      const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
      return { pid, parent };
    });
  }
  // Small container images have no `ps`.
  return readdirSync('/proc').flatMap((name) => {
    const stat = /^\d+$/.test(name) ? readOrUndefined(`/proc/${name}/stat`) : undefined;
    // The second field is the name in parentheses, which may contain spaces and parentheses itself.
    const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    return parent === undefined ? [] : [{ pid: Number(name), parent: Number(parent) }];
  });
}
