/** What was looked at in a store, how it is, and if it is not well, what to do. */
export interface StoreFinding {
  readonly subject: string;
  readonly state: 'well' | 'notable' | 'ill';
  readonly says: string;
  readonly remedy?: string;
}
