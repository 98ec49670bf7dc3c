namespace VmRepl.Images;

/// <summary>One thing that a check found.</summary>
/// <param name="IsDamage">True where contents are at risk; false for space that is merely lost (a leak).</param>
/// <param name="Message">What and where, in one sentence.</param>
public sealed record ImageFinding(bool IsDamage, string Message);
