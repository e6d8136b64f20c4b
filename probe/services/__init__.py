"""What commands do that needs more than one room; the text for people is made in `probe.cli`.

In: a results directory, a store's `Reader`, segments or bundles, already opened or named by path. Out: values:
`status.Status` (`status.look`), `verification.Verification` (`verification.verify`), the lines of an export
(`export.lines_in`), a `replay.Change` where judging again differs (`replay.rejudge`), and the demo (`demo.Demo`).
Errors: `verification.NothingToVerify`, `replay.CaseError`, `demo.DemoError`.
"""
