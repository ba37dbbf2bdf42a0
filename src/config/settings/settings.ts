import { capacitySettings } from './capacity.ts';
import { databaseSettings } from './database.ts';
import { limitSettings } from './limits.ts';
import { networkSettings } from './network.ts';
import { retentionSettings } from './retention.ts';
import { serviceSettings } from './service.ts';
import type { SettingTree } from './setting.ts';
import { tokenSettings } from './tokens.ts';

/** All settings, by the names that their values have in `Config`. */
export const settings = {
  ...serviceSettings,
  ...databaseSettings,
  auth: tokenSettings,
  limits: limitSettings,
  retention: retentionSettings,
  ...capacitySettings,
  edge: networkSettings,
};

/** The settings that a command reads which works on the database. Such a command checks no token. */
export const databaseCommandSettings = {
  production: serviceSettings.production,
  ...databaseSettings,
  retention: retentionSettings,
};

export interface SettingGroup {
  readonly title: string;
  readonly settings: SettingTree;
}

/** All settings, by the headings that the documentation prints them under. */
export const settingGroups: readonly SettingGroup[] = [
  { title: 'Service', settings: serviceSettings },
  { title: 'Database', settings: databaseSettings },
  { title: 'Tokens', settings: tokenSettings },
  { title: 'Limits', settings: limitSettings },
  { title: 'Retention', settings: retentionSettings },
  { title: 'Capacity', settings: capacitySettings },
  { title: 'Network', settings: networkSettings },
];
