/** What must hold between settings, so that each of two right values does not make a wrong pair. */
export interface SettingRule {
  /** The settings that the rule compares, in the order of the arguments of `holds`. */
  readonly settings: readonly string[];
  readonly holds: (...values: never[]) => boolean;
  /** The rule, as a sentence without its full stop. */
  readonly rule: string;
  /** Why, as the rest of that sentence. */
  readonly because: string;
}
