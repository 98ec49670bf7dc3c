namespace VmRepl.Images.Tests.Fuzzing;

/// <summary>What a <see cref="FaultyImage"/> does wrong.</summary>
public enum PlantedFault
{
    UntypedError,
    HoldsMemory,
    TakesTime,
    FollowsAnyName,
    GapInTheMap,
    StaleContents,
    LosesWrites,
}
