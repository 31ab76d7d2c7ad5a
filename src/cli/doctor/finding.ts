/** What was looked at, how it is, and if it is not well, what to do. */
export interface Finding {
  readonly subject: string;
  readonly state: 'well' | 'notable' | 'ill';
  readonly says: string;
  readonly remedy?: string;
}
