using VmRepl.Journal.Views;

namespace VmRepl.Simulation.Workload;

/// <summary>A view that stays open while the group goes on.</summary>
/// <param name="View">The view.</param>
/// <param name="RetiredBefore">Retirements of the group when it was opened.</param>
internal sealed record OpenView(GroupView View, long RetiredBefore);
