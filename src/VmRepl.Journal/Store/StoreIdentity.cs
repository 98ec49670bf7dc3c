namespace VmRepl.Journal.Store;

/// <summary>Which store this is, and how often it was opened for writing; the file <c>store.json</c>.</summary>
/// <param name="Format">Version of the directory's layout; this build reads 1.</param>
/// <param name="Id">Made once.</param>
/// <param name="Incarnation">Grows by one each time the store is opened for writing, before anything else is written.</param>
public sealed record StoreIdentity(int Format, Guid Id, ulong Incarnation);
