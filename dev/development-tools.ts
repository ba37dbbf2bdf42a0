import type { DevelopmentTools } from '../src/service/development.ts';
import { developmentSecret, developmentSecretFile } from './development-secret.ts';
import { startDevelopmentDatabase } from './embedded-postgres/start-database.ts';
import { welcome } from './welcome.ts';

export const developmentTools: DevelopmentTools = {
  secret: developmentSecret,
  secretFile: developmentSecretFile,
  startDatabase: startDevelopmentDatabase,
  welcome,
};
