import { type Config, loadConfig } from '../config/config.ts';
import { readProcessEnvironment } from '../config/process-environment.ts';
import { parseDuration } from '../config/duration.ts';
import { registeredDevelopmentTools } from '../service/development.ts';
import { loadKinds } from '../service/load-kinds.ts';
import { allScopes, issueToken } from '../http/auth/issue-token.ts';
import { runCommand, UsageError } from './command.ts';

const usage = `usage: npm run --silent token -- --tenant T --device D [--subject S] [--scope "${allScopes}"] [--ttl 1h]

Prints a token of this service on stdout. Prints on stderr which secret has signed it.`;
const options = {
  tenant: { type: 'string' },
  device: { type: 'string' },
  subject: { type: 'string' },
  scope: { type: 'string', default: allScopes },
  ttl: { type: 'string', default: '1h' },
} as const;

/** Only the token is printed on stdout, so that a shell can assign it to a variable. */
await runCommand({ usage, options }, async ({ tenant, device, subject = device, scope, ttl }) => {
  const ttlMs = parseDuration(ttl);
  if (!tenant || !device || !subject) throw new UsageError('--tenant and --device are needed');
  if (ttlMs === undefined) throw new UsageError(`--ttl ${ttl} is not a duration such as 30m or 1h`);
  const { variables, fromFile } = readProcessEnvironment();
  const config = loadConfig(variables, registeredDevelopmentTools()?.secret);
  await checkScopes(scope, config);
  const token = issueToken(config.auth, { tenant, device, subject, scope, ttlMs });
  process.stderr.write(`signed with ${describeSecret(config, fromFile)}\n`);
  process.stdout.write(`${token}\n`);
});

/** An unknown scope is probably a typing error. A token with it would be refused without a hint. */
async function checkScopes(scope: string, { kindsFile }: Config): Promise<void> {
  const { kinds } = await loadKinds(kindsFile);
  const knownScopes = new Set([
    ...allScopes.split(' '),
    ...kinds.flatMap((kind) => kind.scope ?? []),
  ]);
  const unknown = scope.split(' ').find((name) => !knownScopes.has(name));
  if (unknown === undefined) return;
  const list = [...knownScopes].join(', ');
  throw new UsageError(`--scope ${JSON.stringify(unknown)} is no scope of this service: ${list}`);
}

function describeSecret({ auth, dataDir }: Config, fromFile: ReadonlySet<string>): string {
  if (auth.mode === 'secret' && auth.isGeneratedSecret) {
    const file = registeredDevelopmentTools()?.secretFile(dataDir);
    return `the secret that the service made in ${file}, as JWT_SECRET is not set`;
  }
  return fromFile.has('JWT_SECRET')
    ? 'JWT_SECRET of the file .env'
    : 'JWT_SECRET of the environment';
}
