import { minSecretBytes } from './jwt-secret.ts';
import { neededConnections } from './settings/capacity.ts';
import type { ReportProblem, ValuesOf } from './settings/setting.ts';
import { type databaseCommandSettings, settings } from './settings/settings.ts';

type Values = ValuesOf<typeof settings>;
type DatabaseValues = ValuesOf<typeof databaseCommandSettings>;

/**
 * Reports what only several settings together can get wrong.
 *
 * @param hasTools whether the development tools provide a database and a secret outside of production
 */
export function checkSettings(values: Values, hasTools: boolean, report: ReportProblem): void {
  checkDatabase(values, hasTools, report);
  checkConnections(values, report);
  checkTokens(values, hasTools, report);
}

/** Like `checkSettings`, for a command that works on the database. */
export function checkDatabase(
  { production, databaseUrl, directDatabaseUrl }: DatabaseValues,
  hasTools: boolean,
  report: ReportProblem,
): void {
  if (databaseUrl !== undefined) return;
  const refuse = (message: string) => report(settings.databaseUrl, message);
  if (production) refuse('is needed in production');
  else if (!hasTools) refuse('is needed: only npm start and npm run bring a database');
  else if (directDatabaseUrl !== undefined) refuse('is needed with DIRECT_DATABASE_URL');
}

function checkConnections(
  { databasePoolSize, commitQueue, reads }: Values,
  report: ReportProblem,
): void {
  if (neededConnections(commitQueue.lanes, reads.lanes ?? 1) <= databasePoolSize) return;
  const users = 'COMMIT_LANES, READ_LANES and one connection more';
  report(settings.databasePoolSize, `is too small for ${users}`);
}

function checkTokens({ production, auth }: Values, hasTools: boolean, report: ReportProblem): void {
  const { jwksUrl, secret, issuer, audience } = settings.auth;
  if (auth.jwksUrl !== undefined) {
    if (auth.secret !== undefined) report(jwksUrl, 'cannot be set beside JWT_SECRET');
    if (auth.issuer === undefined) report(issuer, 'is needed with JWKS_URL');
    if (auth.audience === undefined) report(audience, 'is needed with JWKS_URL');
    return;
  }
  const makesSecret = !production && hasTools;
  if (makesSecret || auth.secret !== undefined) return;
  const choices = `JWT_SECRET (at least ${minSecretBytes} bytes), or JWKS_URL with JWT_ISSUER and JWT_AUDIENCE`;
  const mode = production ? 'production' : 'a service without npm start';
  report(secret, `${mode} needs ${choices}`);
}
