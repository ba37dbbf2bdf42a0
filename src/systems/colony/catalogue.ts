/** The price of one piece, and how long it takes after it is paid. */
export interface Price {
  /** Whole credits. */
  readonly credits: number;
  readonly seconds: number;
}

/**
 * Everything that can be ordered. The catalogue is code and not data, because an order must cost the same on every
 * retry: prices change only with a new release of the server.
 */
export const catalogue = {
  structure: {
    'metal-refinery': { credits: 60, seconds: 120 },
    'solar-plant': { credits: 80, seconds: 180 },
    shipyard: { credits: 400, seconds: 900 },
    'command-center': { credits: 1_500, seconds: 3_600 },
  },
  research: {
    energy: { credits: 100, seconds: 300 },
    laser: { credits: 250, seconds: 600 },
    armour: { credits: 300, seconds: 900 },
    'warp-drive': { credits: 5_000, seconds: 14_400 },
  },
  unit: {
    fighter: { credits: 20, seconds: 30 },
    scout: { credits: 35, seconds: 45 },
    cruiser: { credits: 450, seconds: 600 },
  },
} as const satisfies { readonly [category: string]: { readonly [key: string]: Price } };

export type Category = keyof typeof catalogue;
