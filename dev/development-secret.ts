import { randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { findSecretProblem } from '../src/config/jwt-secret.ts';
import { explainDataDir, StartError } from '../src/config/start-error.ts';

export function developmentSecretFile(dataDir: string): string {
  return join(dataDir, 'jwt-secret');
}

/**
 * The secret that signs tokens where JWT_SECRET is not set. The first call creates it in `<dataDir>/jwt-secret`,
 * readable by its owner only.
 *
 * @throws StartError where the file cannot be used, where other users can read it, or where the secret is too weak
 */
export function developmentSecret(dataDir: string): string {
  const path = developmentSecretFile(dataDir);
  try {
    if (!existsSync(path)) {
      mkdirSync(dataDir, { recursive: true });
      createSecret(path);
    }
    return readSecret(path);
  } catch (error) {
    throw explainDataDir(dataDir, error);
  }
}

/** A person who can read or guess the secret can sign tokens of anybody. */
function readSecret(path: string): string {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const shown = mode.toString(8).padStart(4, '0');
    const cure = `run chmod 600 ${path}, or set JWT_SECRET`;
    throw new StartError(`JWT_SECRET: others can read ${path} (mode ${shown}): ${cure}`);
  }
  const secret = readFileSync(path, 'utf8');
  const fault = findSecretProblem(secret);
  if (fault === undefined) return secret;
  const cure = 'remove it, and a new one is made, or set JWT_SECRET';
  throw new StartError(`JWT_SECRET: what ${path} holds ${fault}: ${cure}`);
}

/** Of two processes that start at once one creates the file. The link appears when the secret is complete. */
function createSecret(path: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, randomBytes(32).toString('base64url'), { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    unlinkSync(draft);
  }
}
