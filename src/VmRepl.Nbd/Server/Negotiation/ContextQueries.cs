namespace VmRepl.Nbd.Server;

/// <summary>Finds the contexts of an export that a client's queries mean.</summary>
internal static class ContextQueries
{
    /// <summary>Most contexts that one client has chosen.</summary>
    public const int ChosenMax = 16;

    private static readonly string[] OfEveryExport = [NbdContextNames.Allocation, NbdContextNames.AllocationDepth];

    /// <summary>For a list: no query means all, and <c>qemu:</c> or <c>qemu:dirty-bitmap:</c> all that begin so.</summary>
    public static IEnumerable<string> List(INbdExport export, IReadOnlyList<string> queries)
    {
        var all = OfEveryExport.Concat(export.ContextNames);
        return queries.Count == 0 ? all : queries.SelectMany(q => q.EndsWith(':') ? all.Where(name => name.StartsWith(q, StringComparison.Ordinal)) : Find(export, q) is null ? [] : [q]).Distinct();
    }

    /// <summary>For a choice: exact names.</summary>
    public static IEnumerable<(string Name, INbdContext Context)> Choose(INbdExport export, IReadOnlyList<string> queries) =>
        queries.Distinct().Select(q => (q, Context: Find(export, q))).Where(found => found.Context is not null).Select(found => (found.q, found.Context!)).Take(ChosenMax);

    private static INbdContext? Find(INbdExport export, string name) => name switch
    {
        NbdContextNames.Allocation => new AllocationContext(export.Device),
        NbdContextNames.AllocationDepth => new AllocationDepthContext(export.Device),
        _ => export.FindContext(name),
    };
}
