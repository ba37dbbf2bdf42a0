// Generates the Prisma client into src/generated.
//
// `prisma generate` wants to download a schema engine that generating does not need. Where that
// download is refused, any existing file named in PRISMA_SCHEMA_ENGINE_BINARY satisfies it.
import { spawnSync } from 'node:child_process';

const generate = (extraEnv) =>
  spawnSync('prisma', ['generate'], {
    encoding: 'utf8',
    env: { PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1', ...process.env, ...extraEnv },
  });

let result = generate({});
if (result.status !== 0) {
  result = generate({ PRISMA_SCHEMA_ENGINE_BINARY: process.execPath });
}
if (result.status !== 0) {
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}\n`);
  process.exit(result.status ?? 1);
}
