declare const KEYFOLD_VERSION: string;

/** The version of this package. */
export const version: string = KEYFOLD_VERSION;
