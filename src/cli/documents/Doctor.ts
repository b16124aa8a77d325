import { Report } from "../../verbs/Doctor.ts"

/** `pgark doctor --json` */
export const Document = Report
