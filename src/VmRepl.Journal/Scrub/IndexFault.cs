using VmRepl.Blocks;

namespace VmRepl.Journal.Scrub;

/// <summary>Sectors whose index entry does not fit its records.</summary>
internal sealed record IndexFault(Extent Extent, string Reason);
